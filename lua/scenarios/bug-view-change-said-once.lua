return scenario "bug-view-change-said-once" {
  summary  = "View changes that are said once: a link that was cut just then holds the next view up for good.",
  protocol = "pbft",
  cluster  = reference { n = 4, clients = 4, checkpoint_interval = 4, window = 16, bug = "view-change-said-once" },
  attack   = "cut-view-change",
  phases   = { before = 0.5, during = 12, after = 2 },
  recovery_bound = 4,
  expect   = { verdict = "holds" },
}
