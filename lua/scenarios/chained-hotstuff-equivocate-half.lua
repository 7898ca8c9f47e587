return scenario "chained-hotstuff-equivocate-half" {
  summary  = "A leader tells two stories to a correct cluster of chained-hotstuff: it stays in agreement, and the liar is caught.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "equivocate-half",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds", evidence = true },
}
