return scenario "correct" {
  summary  = "No attack: a correct cluster under load, judged by every oracle.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  phases   = { before = 2, during = 3, after = 1 },
  expect   = { verdict = "holds" },
}
