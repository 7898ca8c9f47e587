return scenario "hotstuff-conflicting-votes" {
  summary  = "A backup votes twice in a correct cluster of hotstuff: its votes count once, and it is caught.",
  protocol = "hotstuff",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "conflicting-votes",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds", evidence = true },
}
