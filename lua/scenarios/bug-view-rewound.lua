return scenario "bug-view-rewound" {
  summary  = "Replicas that follow any new view, also an old one that is shown to them again.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "view-rewound" },
  attack   = "replay-old-view",
  phases   = { before = 0.5, during = 3, after = 2 },
  expect   = { verdict = "holds" },
}
