return scenario "bug-timeout-forgotten" {
  summary  = "A replica gives a view up, is restarted, and votes in it after all.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "timeout-forgotten" },
  attack   = "amnesia",
  args     = { after = "timeout" },
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
