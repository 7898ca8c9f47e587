return scenario "amnesia" {
  summary  = "A replica of a correct cluster is restarted between two stories of its leader, and remembers its vote.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16 },
  attack   = "amnesia",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds", evidence = true },
}
