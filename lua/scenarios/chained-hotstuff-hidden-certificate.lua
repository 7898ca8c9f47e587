return scenario "chained-hotstuff-hidden-certificate" {
  summary  = "A leader of a correct cluster of chained-hotstuff shows its certificate to one replica only: the next correct leader hears of it.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "hidden-certificate",
  phases   = { before = 2, during = 6, after = 4 },
  expect   = { verdict = "holds" },
}
