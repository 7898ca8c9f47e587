-- Where 'turncoat hunt' starts from: a small cluster that checkpoints often, takes little time to change its view, and
-- meets its adversary at once. Options say what else: --strategy, --bug.
return scenario "hunt-pbft" {
  summary  = "A small cluster of pbft for 'turncoat hunt': the strategies decide what happens to it.",
  protocol = "pbft",
  cluster  = reference {
    n = 4, clients = 2, checkpoint_interval = 4, window = 6, batch_max = 2, pipeline_max = 4,
    view_timeout = 0.02, view_timeout_max = 0.16,
  },
  phases   = { before = 0, during = 1, after = 2 },
  expect   = { verdict = "holds" },
}
