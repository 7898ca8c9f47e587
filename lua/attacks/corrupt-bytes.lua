return attack "corrupt-bytes" {
  summary  = "Some bytes of what one replica says are changed on the way: receivers must reject it, and not fall over.",
  source   = "GHSA-hrhf and GHSA-p7mv (malformed messages that stopped validators)",
  tags     = { "robustness", "network" },
  kinds    = { "propose", "vote", "certificate", "new_view", "view_change", "checkpoint", "sync", "reply" },
  args     = {
    share  = { 0.3, "share of its messages that are corrupted, 0 to 1", min = 0, max = 1 },
    leader = { false, "corrupt what the leader says (else: a backup)" },
  },
  traitors = function(c, a)
    if a.leader then return { c:leader(c.view) } end
    return { c:backups(c.view)[1] }
  end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  crashes  no replica ended; 1204 messages with a bad signature were rejected",

  on_message = function(c, m, a)
    if c:is_traitor(m.from) and c:random(m) < a.share then return corrupt() end
  end,
}
