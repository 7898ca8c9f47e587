return scenario "bug-commit-one-early" {
  summary  = "A block is executed when its second certificate comes, not its third.",
  protocol = "chained-hotstuff",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "commit-one-early" },
  attack   = "silent-leader",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
