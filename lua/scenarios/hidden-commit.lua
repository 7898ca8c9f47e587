return scenario "hidden-commit" {
  summary  = "Only one replica of a correct cluster sees the commits before the view changes: the next view remembers.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "hidden-commit",
  phases   = { before = 2, during = 6, after = 3 },
  expect   = { verdict = "holds" },
}
