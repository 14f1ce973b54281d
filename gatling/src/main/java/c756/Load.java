package c756;

import io.gatling.app.Gatling;

/**
 * Runs one simulation, as the environment says ({@link Settings}), writes its report, and exits: 0 all right, 2 more errors than
 * {@code MAX_ERRORS}, 64 wrong settings (as EX_USAGE), anything else Gatling's own failure.
 */
public final class Load {
    /** As in BSD's sysexits.h (EX_USAGE); Gatling uses 0 to 2 itself. */
    private static final int WRONG_SETTINGS = 64;
    /** Stopped before the first request: not a success, since nothing was tried. */
    private static final int NOTHING_TO_REPORT = 1;

    private Load() {}

    public static void main(String[] args) {
        Settings settings;
        String simulation;
        try {
            settings = Settings.current();
            simulation = simulation(settings.simulation());
        } catch (IllegalArgumentException e) {
            System.err.println("load: " + e.getMessage());
            System.exit(WRONG_SETTINGS);
            return;
        }
        if (settings.users() == 0) {
            System.out.println("load: pod " + settings.pod() + " of " + settings.pods() + " has no user to play: USERS is less than PODS");
            return;
        }
        System.out.println("load: " + settings.simulation() + " with " + settings.users() + " users against " + settings.baseUrl()
                + (settings.pods() > 1 ? ", pod " + settings.pod() + " of " + settings.pods() : ""));
        Run.stopOnSignals();
        Quiet.begin();
        try {
            Gatling.main(new String[] {"--simulation", simulation, "--results-folder", settings.results()}); // exits by itself
        } catch (UnsupportedOperationException e) { // this is how it says that there is nothing to report
            System.err.println("load: " + e.getMessage());
            System.exit(NOTHING_TO_REPORT);
        }
    }

    private static String simulation(String simpleName) {
        String name = Load.class.getPackageName() + "." + simpleName;
        try {
            if (LoadSimulation.class.isAssignableFrom(Class.forName(name, false, Load.class.getClassLoader()))) {
                return name;
            }
        } catch (ClassNotFoundException e) {
            // told below, as for a class that is no simulation
        }
        throw new IllegalArgumentException("SIM is '" + simpleName + "': there is no such simulation in " + Load.class.getPackageName());
    }
}
