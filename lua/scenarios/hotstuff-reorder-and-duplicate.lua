return scenario "hotstuff-reorder-and-duplicate" {
  summary  = "Half of the messages of a correct cluster of hotstuff come in another order or four times.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "reorder-and-duplicate",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds" },
}
