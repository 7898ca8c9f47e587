return scenario "loss-before-gst" {
  summary  = "Until the network stabilises, after four seconds, it is slow and connections break: the cluster stays in agreement, and decides from then on.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4, view_timeout = 0.25, view_timeout_max = 2 },
  phases   = { before = 5, during = 2, after = 2 },
  network  = { latency = log_normal(0.001, 0.7, 0.05), gst = 4, delay_before_gst = 0.2, loss_before_gst = 0.02 },
  expect   = { verdict = "holds" },
}
