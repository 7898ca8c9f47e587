return scenario "hotstuff-correct" {
  summary  = "No attack: a correct cluster of hotstuff under load, judged by every oracle.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  phases   = { before = 2, during = 3, after = 1 },
  expect   = { verdict = "holds" },
}
