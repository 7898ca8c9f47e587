return scenario "bug-gaps-unfilled" {
  summary  = "A leader leaves a sequence number out, and so does the next view.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "gaps-unfilled" },
  attack   = "leap-sequence",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
