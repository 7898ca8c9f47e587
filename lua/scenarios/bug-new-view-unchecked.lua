return scenario "bug-new-view-unchecked" {
  summary  = "Backups that follow a new view without recomputing it.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, bug = "new-view-unchecked" },
  attack   = "forge-new-view",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds", evidence = true },
}
