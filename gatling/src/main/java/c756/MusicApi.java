package c756;

import static io.gatling.javaapi.core.CoreDsl.StringBody;
import static io.gatling.javaapi.core.CoreDsl.jsonPath;
import static io.gatling.javaapi.http.HttpDsl.http;
import static io.gatling.javaapi.http.HttpDsl.status;

import io.gatling.javaapi.http.HttpRequestActionBuilder;

/** The requests of the music service. They use the session's music_id, Artist and SongTitle. */
final class MusicApi {
    private static final String PATH = "/api/v1/music/";

    static final HttpRequestActionBuilder HEALTH = http("Music health").get(PATH + "health").check(status().is(200));

    static final HttpRequestActionBuilder LIST = http("List music").get(PATH).queryParam("limit", 10)
            .check(status().is(200), jsonPath("$.Items[*].music_id").count().gte(1));

    /** Sets music_id. */
    static final HttpRequestActionBuilder CREATE = http("Create music").post(PATH)
            .body(StringBody("{\"Artist\": #{Artist.jsonStringify()}, \"SongTitle\": #{SongTitle.jsonStringify()}}")).asJson()
            .check(status().is(200), jsonPath("$.music_id").saveAs("music_id"));

    /** The answer must be the session's song, not just any. */
    static final HttpRequestActionBuilder READ = http("Read music").get(PATH + "#{music_id}")
            .check(status().is(200), jsonPath("$.Count").is("1"), jsonPath("$.Items[0].music_id").isEL("#{music_id}"));

    /** The answer must be the session's song in every attribute. */
    static final HttpRequestActionBuilder READ_BACK = http("Read music back").get(PATH + "#{music_id}")
            .check(status().is(200), jsonPath("$.Items[0].music_id").isEL("#{music_id}"),
                    jsonPath("$.Items[0].Artist").isEL("#{Artist}"), jsonPath("$.Items[0].SongTitle").isEL("#{SongTitle}"));

    static final HttpRequestActionBuilder DELETE = http("Delete music").delete(PATH + "#{music_id}").check(status().is(200));

    static final HttpRequestActionBuilder READ_DELETED = http("Read deleted music").get(PATH + "#{music_id}").check(status().is(404));

    private MusicApi() {}
}
