return scenario "leap-sequence" {
  summary  = "The leader of a correct cluster leaves a sequence number out: the next view fills it with nothing.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16 },
  attack   = "leap-sequence",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
