return scenario "bug-lock-against-proposal-view" {
  summary  = "Replicas that follow any proposal of a later view, whatever they are locked on and whatever justifies it.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "lock-against-proposal-view" },
  attack   = "forking",
  args     = { depth = 2 },
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
