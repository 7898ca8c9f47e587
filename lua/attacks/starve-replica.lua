return attack "starve-replica" {
  summary  = "The leader keeps one backup in the dark: it sends it nothing, and is correct towards all others.",
  source   = "Berger et al., In-dark attacks on BFT state machine replication, SRDS'21",
  tags     = { "liveness", "selective" },
  kinds    = { "propose", "vote", "new_view", "checkpoint", "sync" },
  args     = { victim = { -1, "the backup to starve; -1: chosen by the seed" } },
  traitors = function(c) return { c:leader(c.view) } end,
  expect   = { safety = true, liveness = true },
  verdict  = "holds  agreement  the starved replica catches up from a checkpoint",

  on_start = function(c, a)
    local backups = c:backups(c.view)
    c.state.victim = a.victim >= 0 and a.victim or backups[c:random("victim", #backups)]
    c:note("replica " .. c.state.victim .. " is kept in the dark")
  end,

  on_message = function(c, m, a)
    if c:is_traitor(m.from) and m.to == c.state.victim then return drop("kept in the dark") end
  end,
}
