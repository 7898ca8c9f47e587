return scenario "slow-leader" {
  summary  = "Proposals come as late as the view timer of a correct cluster allows.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4 },
  attack   = "slow-leader",
  phases   = { before = 2, during = 12, after = 2 },
  expect   = { verdict = "holds" },
}
