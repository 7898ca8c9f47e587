return scenario "bug-new-view-certificates-ignored" {
  summary  = "A certificate is hidden from the next leader, who is told of it in everybody's new-view messages, and proposes on an older one.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "new-view-certificates-ignored" },
  attack   = "hidden-certificate",
  args     = { phase = "precommit", from_next = true },
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
