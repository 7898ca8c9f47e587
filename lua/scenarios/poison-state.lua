return scenario "poison-state" {
  summary  = "A replica of a correct cluster that needs a state is sent a false one: it waits for two that agree.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 6, view_timeout = 0.1 },
  attack   = "poison-state",
  args     = { cut = 2.0, every = 3.0 },
  phases   = { before = 0.5, during = 14, after = 2 },
  expect   = { verdict = "holds" },
}
