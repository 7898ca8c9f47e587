return scenario "forge-prepared" {
  summary  = "The next leader of a correct cluster claims what was never prepared: nobody follows.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 2, checkpoint_interval = 4, window = 16 }, -- two proposals at a time: never up to the next checkpoint
  attack   = "forge-prepared",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds", evidence = true },
}
