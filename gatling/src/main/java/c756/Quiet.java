package c756;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.prefs.AbstractPreferences;
import java.util.prefs.Preferences;
import java.util.prefs.PreferencesFactory;

/**
 * Preferences in memory, in place of files in the home folder. Gatling keeps there when it last asked the internet for a newer version of
 * itself; here it has always just asked in
 * vain, so that it asks nobody: our version is pinned, and a pod may have neither a home nor a way out.
 */
public final class Quiet implements PreferencesFactory {
    private final Preferences root = new Memory(null, "");

    /** Must be called before anything uses preferences. */
    static void begin() {
        System.setProperty("java.util.prefs.PreferencesFactory", Quiet.class.getName());
        // Names as in io.gatling.commons.util.LatestGatlingRelease. Were they to change, Gatling would ask again, no more.
        Preferences asked = Preferences.userRoot().node("/io/gatling/latestVersion");
        // Of the year 2262: a failed question counts for 3.6 seconds only, which a slow start takes.
        asked.putLong("lastCheckTimestamp", Long.MAX_VALUE / 1_000_000);
        asked.putBoolean("lastCheckSuccess", false);
    }

    @Override
    public Preferences systemRoot() {
        return root;
    }

    @Override
    public Preferences userRoot() {
        return root;
    }

    private static final class Memory extends AbstractPreferences {
        private final Map<String, String> values = new ConcurrentHashMap<>();
        private final Map<String, AbstractPreferences> children = new ConcurrentHashMap<>();

        Memory(AbstractPreferences parent, String name) {
            super(parent, name);
        }

        @Override
        protected void putSpi(String key, String value) {
            values.put(key, value);
        }

        @Override
        protected String getSpi(String key) {
            return values.get(key);
        }

        @Override
        protected void removeSpi(String key) {
            values.remove(key);
        }

        @Override
        protected void removeNodeSpi() {
            values.clear();
        }

        @Override
        protected String[] keysSpi() {
            return values.keySet().toArray(String[]::new);
        }

        @Override
        protected String[] childrenNamesSpi() {
            return children.keySet().toArray(String[]::new);
        }

        @Override
        protected AbstractPreferences childSpi(String name) {
            return children.computeIfAbsent(name, child -> new Memory(this, child));
        }

        @Override
        protected void syncSpi() {
            // memory is always in step with itself
        }

        @Override
        protected void flushSpi() {
            // nothing to write
        }
    }
}
