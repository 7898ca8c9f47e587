return scenario "three-generals-halted" {
  summary  = "Three replicas, one traitor, quorum 3: its silence halts the other two. 3f+1 replicas are needed.",
  protocol = "pbft",
  cluster  = reference { n = 3, f = 0, quorum = 3, clients = 2, view_timeout = 0.25, view_timeout_max = 1 },
  attack   = "three-generals",
  phases   = { before = 2, during = 5, after = 2 },
  traitors = 1,
  expect   = { verdict = "expected" },
}
