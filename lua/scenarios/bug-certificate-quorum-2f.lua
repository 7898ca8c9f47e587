return scenario "bug-certificate-quorum-2f" {
  summary  = "A quorum certificate that is made of one vote too few.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "certificate-quorum-2f" },
  attack   = "few-votes",
  args     = { what = "prepare", victim = 1 },
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
