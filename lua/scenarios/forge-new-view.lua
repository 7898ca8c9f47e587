return scenario "forge-new-view" {
  summary  = "A traitor leads the next view of a correct cluster and forgets what was prepared: nobody follows.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "forge-new-view",
  phases   = { before = 2, during = 5, after = 2 },
  expect   = { verdict = "holds", evidence = true },
}
