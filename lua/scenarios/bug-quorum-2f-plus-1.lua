return scenario "bug-quorum-2f-plus-1" {
  summary  = "Six replicas whose quorum is three: each half of a partition decides for itself.",
  protocol = "pbft",
  cluster  = reference { n = 6, f = 1, clients = 4, checkpoint_interval = 4, window = 16, bug = "quorum-2f-plus-1" },
  attack   = "partition-and-heal",
  args     = { cut = 2.0 },
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
