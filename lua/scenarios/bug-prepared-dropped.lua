return scenario "bug-prepared-dropped" {
  summary  = "Replicas that forget what they prepared: the next view orders something else.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, bug = "prepared-dropped" },
  attack   = "hidden-commit",
  phases   = { before = 2, during = 6, after = 3 },
  expect   = { verdict = "holds" },
}
