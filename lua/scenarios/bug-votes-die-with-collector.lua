return scenario "bug-votes-die-with-collector" {
  summary  = "One leader is silent for good, and the votes that it had collected are never heard of: no three views in a row are certified again.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "votes-die-with-collector" },
  attack   = "silent-leader",
  phases   = { before = 0.5, during = 8, after = 2 },
  recovery_bound = 4,
  expect   = { verdict = "holds" },
}
