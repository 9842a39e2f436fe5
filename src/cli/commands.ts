/** Every command, in the order in which help lists them. */
import { auditCommand } from './audit.js'
import { beaconNewCommand, beaconServeCommand } from './beacon.js'
import { chainClaimCommand } from './chain-claim.js'
import { chainDeployCommand } from './chain-deploy.js'
import { chainDevCommand } from './chain-dev.js'
import { chainDisputeCommand } from './chain-dispute.js'
import { chainConsentCommand, chainRegisterCommand } from './chain-register.js'
import { chainStakeCommand } from './chain-stake.js'
import { chainStatusCommand } from './chain-status.js'
import { chainUnstakeCommand } from './chain-unstake.js'
import { challengerCommand } from './challenger.js'
import { channelsCloseCommand } from './channels-close.js'
import { channelsListCommand } from './channels-list.js'
import type { Command } from './command.js'
import { completionCommand } from './completion.js'
import { dataPrepareCommand } from './data.js'
import { demo } from './demo.js'
import { doctorCommand } from './doctor.js'
import { embedCommand } from './embed.js'
import { gatewayCommand } from './gateway.js'
import { historyCommand } from './history.js'
import { identifyCommand } from './identify.js'
import { initCommand } from './init.js'
import { keysExportCommand, keysImportCommand, keysListCommand } from './keys.js'
import { lab } from './lab.js'
import { measureCommand } from './measure.js'
import { modelsAddCommand } from './models-add.js'
import { modelsBenchCommand } from './models-bench.js'
import { modelsListCommand } from './models-list.js'
import { modelsRemoveCommand } from './models-remove.js'
import { modelsShowCommand } from './models-show.js'
import { nodeCommand } from './node.js'
import { proverCommand } from './prover.js'
import { providerCommand } from './provider.js'
import { registryEntryCommand, registryShowCommand, registrySignCommand } from './registry.js'
import { speakCommand } from './speak.js'
import { statusCommand } from './status.js'
import { trainCommand } from './train.js'
import { transcribeCommand } from './transcribe.js'
import { translateCommand } from './translate.js'
import { verifyCommand } from './verify.js'

export const COMMANDS: readonly Command[] = [
  initCommand,
  proverCommand,
  challengerCommand,
  providerCommand,
  nodeCommand,
  measureCommand,
  verifyCommand,
  historyCommand,
  demo,
  statusCommand,
  doctorCommand,
  keysListCommand,
  keysImportCommand,
  keysExportCommand,
  registrySignCommand,
  registryShowCommand,
  registryEntryCommand,
  chainStatusCommand,
  chainConsentCommand,
  chainRegisterCommand,
  chainStakeCommand,
  chainUnstakeCommand,
  chainClaimCommand,
  chainDisputeCommand,
  chainDevCommand,
  chainDeployCommand,
  channelsListCommand,
  channelsCloseCommand,
  modelsAddCommand,
  modelsListCommand,
  modelsShowCommand,
  modelsRemoveCommand,
  modelsBenchCommand,
  transcribeCommand,
  identifyCommand,
  translateCommand,
  embedCommand,
  speakCommand,
  gatewayCommand,
  auditCommand,
  dataPrepareCommand,
  trainCommand,
  lab,
  beaconNewCommand,
  beaconServeCommand,
  completionCommand(() => COMMANDS),
]
