return scenario "bug-votes-not-durable" {
  summary  = "A replica is restarted between two stories of its leader, and has forgotten that it voted for the first.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "votes-not-durable" },
  attack   = "amnesia",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
