return scenario "bug-sync-forgotten" {
  summary  = "A replica that was in the dark gets the state of the others, and executes what is in it again.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "sync-forgotten" },
  attack   = "starve-replica",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
