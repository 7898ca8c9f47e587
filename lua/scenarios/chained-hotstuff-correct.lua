return scenario "chained-hotstuff-correct" {
  summary  = "No attack: a correct cluster of chained-hotstuff under load, judged by every oracle.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  phases   = { before = 2, during = 3, after = 1 },
  expect   = { verdict = "holds" },
}
