return scenario "bug-sync-forgotten" {
  summary  = "A replica is given the state of the others and goes on counting where it was: what it holds is executed again.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "sync-forgotten" },
  attack   = "late-delivery",
  phases   = { before = 0.5, during = 4, after = 2 },
  expect   = { verdict = "holds" },
}
