return scenario "hotstuff-partition-and-heal" {
  summary  = "A correct cluster of hotstuff is cut in two, healed, and cut again.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "partition-and-heal",
  phases   = { before = 2, during = 6, after = 4 },
  expect   = { verdict = "holds" },
}
