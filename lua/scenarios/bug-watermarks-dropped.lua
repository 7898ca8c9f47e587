return scenario "bug-watermarks-dropped" {
  summary  = "A leader that proposes for sequence numbers beyond every watermark, and backups that follow.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "watermarks-dropped" },
  attack   = "leap-sequence",
  args     = { by = 1099511627776 },
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
