return scenario "bug-prepared-unproved" {
  summary  = "A new view that rests on what a traitor says it prepared, without proof.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 2, checkpoint_interval = 4, window = 16, bug = "prepared-unproved" },
  attack   = "forge-prepared",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
