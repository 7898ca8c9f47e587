-- turncoat run cost --world sim
return scenario "cost" {
  summary  = "What one decision costs when nothing fails, by protocol and number of replicas: messages and bytes are counted and held against the formulas.",
  cluster  = reference { batch_max = 1, checkpoint_interval = 1000, window = 4000, view_timeout = 60, view_timeout_max = 60 },
  load     = { clients = 4 },
  phases   = { before = 0, during = 60, after = 0 },
  network  = { latency = constant(0.001) },
  sweep    = { protocol = { "pbft", "hotstuff", "chained-hotstuff" }, n = { 4, 7, 10, 16, 31, 61, 100 }, decisions = 8 },
  expect   = { verdict = "holds" },
}
