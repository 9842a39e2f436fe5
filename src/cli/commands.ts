/** Every command, in the order in which help lists them. */
import { beaconNewCommand, beaconServeCommand } from './beacon.js'
import { challengerCommand } from './challenger.js'
import type { Command } from './command.js'
import { completionCommand } from './completion.js'
import { dataPrepareCommand } from './data.js'
import { demo } from './demo.js'
import { doctorCommand } from './doctor.js'
import { initCommand } from './init.js'
import { keysExportCommand, keysImportCommand, keysListCommand } from './keys.js'
import { lab } from './lab.js'
import { measureCommand } from './measure.js'
import { nodeCommand } from './node.js'
import { proverCommand } from './prover.js'
import { registryEntryCommand, registryShowCommand, registrySignCommand } from './registry.js'
import { statusCommand } from './status.js'
import { trainCommand } from './train.js'
import { verifyCommand } from './verify.js'

export const COMMANDS: readonly Command[] = [
  initCommand,
  proverCommand,
  challengerCommand,
  nodeCommand,
  measureCommand,
  verifyCommand,
  demo,
  statusCommand,
  doctorCommand,
  keysListCommand,
  keysImportCommand,
  keysExportCommand,
  registrySignCommand,
  registryShowCommand,
  registryEntryCommand,
  dataPrepareCommand,
  trainCommand,
  lab,
  beaconNewCommand,
  beaconServeCommand,
  completionCommand(() => COMMANDS),
]
