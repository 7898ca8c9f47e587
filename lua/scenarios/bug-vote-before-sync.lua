return scenario "bug-vote-before-sync" {
  summary  = "A vote goes out before it is on disk, and its replica is killed in between.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "vote-before-sync" },
  attack   = "amnesia",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
