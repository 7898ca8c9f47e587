-- For tests/sim/test_trial.c: a network that breaks every fiftieth write's connection for its first second.
return scenario "lossy-start" {
  summary  = "Chained HotStuff in a network that is bad at first.",
  protocol = "chained-hotstuff",
  cluster  = reference {
    n = 4, clients = 1, checkpoint_interval = 4, window = 8, batch_max = 8, pipeline_max = 4,
    view_timeout = 0.02, view_timeout_max = 0.16,
  },
  phases   = { before = 0, during = 1, after = 2 },
  network  = { latency = constant(0.0002), gst = 1, delay_before_gst = 0.04, loss_before_gst = 0.02 },
  expect   = { verdict = "holds" },
}
