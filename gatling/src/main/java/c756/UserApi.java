package c756;

import static io.gatling.javaapi.core.CoreDsl.StringBody;
import static io.gatling.javaapi.core.CoreDsl.bodyString;
import static io.gatling.javaapi.core.CoreDsl.jsonPath;
import static io.gatling.javaapi.http.HttpDsl.http;
import static io.gatling.javaapi.http.HttpDsl.status;

import io.gatling.javaapi.http.HttpRequestActionBuilder;

/** The requests of the user service. They use the session's user_id, fname, lname, email and jwt. */
final class UserApi {
    private static final String PATH = "/api/v1/user/";
    private static final String PERSON = "{\"fname\": #{fname.jsonStringify()}, \"lname\": #{lname.jsonStringify()}, \"email\": #{email.jsonStringify()}}";

    static final HttpRequestActionBuilder HEALTH = http("User health").get(PATH + "health").check(status().is(200));

    /** Sets user_id. */
    static final HttpRequestActionBuilder CREATE = http("Create user").post(PATH)
            .body(StringBody(PERSON)).asJson()
            .check(status().is(200), jsonPath("$.user_id").saveAs("user_id"));

    /** The answer must be the session's user, not just any. */
    static final HttpRequestActionBuilder READ = http("Read user").get(PATH + "#{user_id}")
            .check(status().is(200), jsonPath("$.Count").is("1"), jsonPath("$.Items[0].user_id").isEL("#{user_id}"));

    /** The answer must be the session's user in every attribute. */
    static final HttpRequestActionBuilder READ_BACK = http("Read user back").get(PATH + "#{user_id}")
            .check(status().is(200), jsonPath("$.Items[0].user_id").isEL("#{user_id}"), jsonPath("$.Items[0].fname").isEL("#{fname}"),
                    jsonPath("$.Items[0].lname").isEL("#{lname}"), jsonPath("$.Items[0].email").isEL("#{email}"));

    /** With the user's own token: others may not. */
    static final HttpRequestActionBuilder UPDATE = http("Update user").put(PATH + "#{user_id}").header("Authorization", "Bearer #{jwt}")
            .body(StringBody(PERSON)).asJson().check(status().is(200));

    /** With the user's own token: others may not. */
    static final HttpRequestActionBuilder DELETE = http("Delete user").delete(PATH + "#{user_id}").header("Authorization", "Bearer #{jwt}")
            .check(status().is(200));

    static final HttpRequestActionBuilder READ_DELETED = http("Read deleted user").get(PATH + "#{user_id}").check(status().is(404));

    /** Sets jwt, the new token. */
    static final HttpRequestActionBuilder LOGIN = http("Login").put(PATH + "login")
            .body(StringBody("{\"uid\": \"#{user_id}\"}")).asJson()
            .check(status().is(200), bodyString().transform(UserApi::token).saveAs("jwt"));

    static final HttpRequestActionBuilder LOGOFF = http("Logoff").put(PATH + "logoff")
            .body(StringBody("{\"jwt\": \"#{jwt}\"}")).asJson().check(status().is(200));

    private UserApi() {}

    /** The token in the answer to a login, whether as bare text or as a JSON string. */
    static String token(String body) {
        return body.strip().replaceAll("^\"|\"$", "");
    }
}
