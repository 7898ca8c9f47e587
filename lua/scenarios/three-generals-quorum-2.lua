return scenario "three-generals-quorum-2" {
  summary  = "Three replicas, one traitor, quorum 2: it lies, and the other two part ways. 3f+1 replicas are needed.",
  protocol = "pbft",
  cluster  = reference { n = 3, f = 0, quorum = 2, clients = 2 },
  attack   = "three-generals",
  phases   = { before = 2, during = 4, after = 2 },
  traitors = 1,
  expect   = { verdict = "expected" },
}
