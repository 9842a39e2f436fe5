import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { dataPaths } from '../../../../src/config/paths.js'
import { openExecutions } from '../../../../src/inference/audit/executions.js'
import { Holds } from '../../../../src/inference/standing-still.js'
import { followHolds, STANDING_STILL_FEED, tellHolds } from '../../../../src/node/inference/standing-still.js'
import { type ControlSocket, serveControlSocket } from '../../../../src/p2p/control-socket.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'

class Model {
  isStill = false
  pause(): void {
    this.isStill = true
  }
  resume(): void {
    this.isStill = false
  }
}
const standing = () => new Model()
const PATIENCE = { timeout: 30_000, interval: 20 }

describe('models stand still', () => {
  it('from the first hold to the end of the last, those that join meanwhile as well', () => {
    const holds = new Holds()
    const [early, late] = [standing(), standing()]
    holds.join(early)
    const first = holds.hold()
    const second = holds.hold()
    holds.join(late)
    expect([early.isStill, late.isStill]).toEqual([true, true])
    first()
    first()
    expect([early.isStill, late.isStill]).toEqual([true, true])
    second()
    expect([early.isStill, late.isStill]).toEqual([false, false])
  })

  it("an auditor's own runs among them, for as long as they are open", async () => {
    const joined = new Set<unknown>()
    const dataDir = await mkdtemp(join(tmpdir(), 'plumbline-still-'))
    const executions = await openExecutions({
      dataDir,
      standingStill: {
        isHeld: false,
        join: (each) => {
          joined.add(each)
          return () => void joined.delete(each)
        },
      },
    })
    expect(joined.size).toBe(executions.length)
    await Promise.all(executions.map((each) => each.close()))
    expect(joined.size).toBe(0)
    await rm(dataDir, { recursive: true })
  })
})

describe('beside a daemon', () => {
  let dataDir = ''
  let socket: ControlSocket | undefined
  const holds = new Holds()
  const serve = async () => {
    socket = await serveControlSocket(dataPaths(dataDir).controlSocket, {}, silentLogger, {
      [STANDING_STILL_FEED]: (tell) => tellHolds(holds, tell),
    })
  }
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'plumbline-still-'))
  })
  afterEach(async () => {
    await socket?.close()
    await rm(dataDir, { recursive: true })
  })

  it('other processes stand still when its models do, and go on when it goes', async () => {
    await serve()
    const letGo = holds.hold()
    const followed = followHolds(dataDir)
    const model = standing()
    followed.join(model)
    await vi.waitFor(() => expect(model.isStill).toBe(true), PATIENCE)
    letGo()
    await vi.waitFor(() => expect(model.isStill).toBe(false), PATIENCE)
    holds.hold()
    await vi.waitFor(() => expect(model.isStill).toBe(true), PATIENCE)
    // Nobody says any more when it ends.
    await socket?.close()
    await vi.waitFor(() => expect(model.isStill).toBe(false), PATIENCE)
    followed.close()
  })

  it('nothing stands still where none runs, nor for one that knows of no holds', async () => {
    const followed = followHolds(dataDir)
    const model = standing()
    followed.join(model)
    followed.close()
    socket = await serveControlSocket(dataPaths(dataDir).controlSocket, {}, silentLogger)
    const other = followHolds(dataDir)
    other.join(model)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(model.isStill).toBe(false)
    other.close()
  })
})
