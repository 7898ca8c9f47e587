return scenario "chained-hotstuff-silent-leader" {
  summary  = "One replica of a correct cluster of chained-hotstuff falls silent; the others go on without its views.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "silent-leader",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
