return scenario "hotstuff-hidden-certificate" {
  summary  = "A leader of a correct cluster of hotstuff shows its certificate to one replica only: the next correct leader hears of it.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "hidden-certificate",
  phases   = { before = 2, during = 6, after = 4 },
  expect   = { verdict = "holds" },
}
