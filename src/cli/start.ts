/** `anamnesis start`: the gateway in the foreground. */
import { startGateway } from '../app.ts';
import { pinoLog } from '../storage/pino-log.ts';
import { UsageError, type Command } from './command.ts';
import { runGateway } from './run-gateway.ts';
import { readSettings } from './settings.ts';
import { logOutput } from './terminal.ts';

export const start: Command = async (args, context) => {
  if (args.length > 0) throw new UsageError('start takes no arguments; settings come from the environment');
  const config = readSettings(context);
  return runGateway(startGateway, config, pinoLog(config.logLevel, logOutput(process.stdout)), context);
};
