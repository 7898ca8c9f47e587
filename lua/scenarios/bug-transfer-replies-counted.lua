return scenario "bug-transfer-replies-counted" {
  summary  = "A replica that takes the last of f+1 states, whether or not they agree.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 8, window = 12, view_timeout = 0.1, bug = "transfer-replies-counted" },
  attack   = "poison-state",
  args     = { cut = 2.0, every = 3.0 },
  phases   = { before = 0.5, during = 14, after = 2 },
  expect   = { verdict = "holds" },
}
