// `npm run start:login`: a provider, a site behind a login, and where to open it.
import { main } from '../../cli/main.ts';
import { startProvider } from './provider-server.ts';

const provider = await startProvider();
await main(['up', '-f', import.meta.dirname, '--echo', ...process.argv.slice(2)], ({ metrics }) => {
  process.stdout.write(`
Open http://localhost:10080 in a browser: any name and any password will do. The page behind the login shows what the app is told.
http://localhost:10080/logout ends the session.   (metrics: ${metrics})

Change a file of examples/oidc-login and ask again. Ctrl-C ends everything.
`);
});
provider.close();
provider.closeAllConnections();
