-- Where 'turncoat hunt' starts from where requests bear vectors of MACs, which a client can make so that they convince
-- some replicas and not the others. Else as hunt-pbft.
return scenario "hunt-pbft-mac" {
  summary  = "A small cluster of pbft whose requests bear MACs, for 'turncoat hunt': the strategies decide what happens to it.",
  protocol = "pbft",
  cluster  = reference {
    n = 4, clients = 2, authentication = "mac", checkpoint_interval = 4, window = 6, batch_max = 2, pipeline_max = 4,
    view_timeout = 0.02, view_timeout_max = 0.16,
  },
  phases   = { before = 0, during = 1, after = 2 },
  expect   = { verdict = "holds" },
}
